-- Rows of each table, and of each month of flights, named as count_rows in sources.py names them.
SELECT strftime(scheduled_departure, 'flights %Y-%m') AS name, count(*) FROM flights GROUP BY name
UNION ALL
SELECT 'airlines', count(*) FROM airlines
UNION ALL
SELECT 'airports', count(*) FROM airports
UNION ALL
SELECT 'planes', count(*) FROM planes
UNION ALL
SELECT 'weather', count(*) FROM weather
ORDER BY name

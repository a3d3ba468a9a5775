SELECT
    month(scheduled_departure) AS month,
    hour(scheduled_departure) AS hour,
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM flights
GROUP BY month, hour
ORDER BY month, hour

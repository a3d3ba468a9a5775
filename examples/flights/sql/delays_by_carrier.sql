-- Departure delays in minutes. "Late" is what the US Department of Transportation calls late: 15 minutes or more.
SELECT
    carrier,
    any_value(airlines.name) AS airline,
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM flights LEFT JOIN airlines USING (carrier)
GROUP BY carrier
ORDER BY carrier

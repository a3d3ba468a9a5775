SELECT
    scheduled_departure::DATE AS day,
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM flights
GROUP BY day
ORDER BY day

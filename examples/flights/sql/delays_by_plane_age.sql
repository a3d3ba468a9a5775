SELECT
    year(scheduled_departure) - planes.year AS age,     -- NULL: the plane is not on record, or its year is not
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM flights LEFT JOIN planes USING (tailnum)
GROUP BY age
ORDER BY age

SELECT
    origin,
    dest,
    any_value(airports.name) AS destination,     -- not known for four airports in the Caribbean
    max(distance) AS miles,     -- two routes were published with two distances, a mile apart
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM flights LEFT JOIN airports ON airports.faa = flights.dest
GROUP BY origin, dest
ORDER BY origin, dest

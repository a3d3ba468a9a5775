-- Each flight counts once under each factor, by the reading at its airport in its scheduled hour of departure.
WITH readings AS (
    FROM (SELECT cancelled, dep_delay, precip, visib, wind_speed FROM flights)
    UNPIVOT INCLUDE NULLS (reading FOR factor IN (precip, visib, wind_speed))
),
bands (factor, position, band, low, high) AS (     -- low <= reading < high
    VALUES
        ('precip', 1, 'dry', 0, 0.01),
        ('precip', 2, '< 0.05', 0.01, 0.05),
        ('precip', 3, '0.05–0.1', 0.05, 0.1),
        ('precip', 4, '0.1–0.25', 0.1, 0.25),
        ('precip', 5, '≥ 0.25', 0.25, 'infinity'::DOUBLE),
        ('visib', 1, '10', 10, 'infinity'),
        ('visib', 2, '5–10', 5, 10),
        ('visib', 3, '2–5', 2, 5),
        ('visib', 4, '1–2', 1, 2),
        ('visib', 5, '< 1', 0, 1),
        ('wind_speed', 1, '< 10', 0, 10),
        ('wind_speed', 2, '10–15', 10, 15),
        ('wind_speed', 3, '15–20', 15, 20),
        ('wind_speed', 4, '20–25', 20, 25),
        ('wind_speed', 5, '25–30', 25, 30),
        ('wind_speed', 6, '≥ 30', 30, 'infinity')
)
SELECT
    readings.factor,
    position,
    band,     -- NULL: no reading
    count(*) AS flights,
    count(*) FILTER (cancelled) AS cancelled,
    avg(dep_delay) AS mean_delay,
    avg((dep_delay >= 15)::INTEGER) AS late_share
FROM readings LEFT JOIN bands
    ON bands.factor = readings.factor AND reading >= low AND reading < high
GROUP BY readings.factor, position, band
ORDER BY readings.factor, position

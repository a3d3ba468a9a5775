-- Flights that refer to a row which is not there.
SELECT 'carrier' AS reference, count(*) FROM flights ANTI JOIN airlines USING (carrier)
UNION ALL
SELECT 'origin', count(*) FROM flights ANTI JOIN airports ON airports.faa = flights.origin
UNION ALL
SELECT 'dest', count(*) FROM flights ANTI JOIN airports ON airports.faa = flights.dest
UNION ALL
SELECT 'tailnum', count(*) FROM flights ANTI JOIN planes USING (tailnum)
UNION ALL
SELECT 'weather', count(*) FROM flights ANTI JOIN weather USING (origin, time_hour)

{{ config(materialized="table", cluster_by=["shopper"]) }}
-- What happened after each training day. A future that is not over on the run's day is absent, so nothing can be learnt
-- from its first half; of the day that is scored no future is known at all.
WITH
  days AS (
    SELECT d.as_of FROM {{ ref("as_of_days") }} AS d WHERE d.as_of <= DATE_SUB({{ as_of() }}, INTERVAL 28 DAY)
  )
SELECT
  d.as_of, t.shopper,
  MIN(t.day) AS next_day,
  COUNT(*) AS trips,
  {{ built() }} AS built
FROM days AS d
JOIN {{ ref("trips") }} AS t
  ON t.day >= d.as_of AND t.day < DATE_ADD(d.as_of, INTERVAL 28 DAY)
WHERE t.lines > 0 AND t.personal
GROUP BY d.as_of, t.shopper

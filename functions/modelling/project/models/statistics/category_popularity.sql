{{ config(cluster_by=["category"]) }}
WITH
  bought AS (
    SELECT t.shopper, t.day, t.category, AVG(t.price) AS price
    FROM {{ ref("trip_products") }} AS t
    WHERE t.measured AND t.category IS NOT NULL
    GROUP BY t.shopper, t.day, t.category
  ),
{{ popularity("bought", "category") }},
  places AS (
    SELECT c.category, MIN(c.department) AS department FROM {{ ref("catalogue") }} AS c GROUP BY c.category
  )
SELECT
  k.as_of, k.purpose, k.category, p.department,
  {{ popularity_columns() }}
FROM known AS k
JOIN totals AS n ON n.as_of = k.as_of
LEFT JOIN places AS p ON p.category = k.category

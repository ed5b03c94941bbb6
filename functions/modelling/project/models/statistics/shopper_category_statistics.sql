{{ config(cluster_by=["shopper", "category"]) }}
-- The price of a category on a trip is the mean of its products' unit prices: a level to compare with, not one to show.
WITH
  bought AS (
    SELECT
      t.shopper, t.day, t.category, SUM(t.paid) AS paid, SUM(t.discount) AS discount, AVG(t.price) AS price
    FROM {{ ref("trip_products") }} AS t
    WHERE t.personal AND t.category IS NOT NULL
    GROUP BY t.shopper, t.day, t.category
  ),
{{ buying("bought", "category") }},
  places AS (
    SELECT c.category, MIN(c.department) AS department FROM {{ ref("catalogue") }} AS c GROUP BY c.category
  )
SELECT
  k.as_of, k.purpose, k.shopper, k.category, p.department,
  {{ buying_columns() }}
FROM known AS k
LEFT JOIN places AS p ON p.category = k.category

{{ config(materialized="table", partition_by={"field": "day", "data_type": "date"}, cluster_by=["shopper"]) }}
-- Also days on which nothing but what is no product was bought: they are visits.
WITH products AS (
  SELECT t.shopper, t.day, COUNT(*) AS lines, SUM(t.discount) AS discount
  FROM {{ ref("trip_products") }} AS t
  GROUP BY t.shopper, t.day
)
SELECT
  b.shopper,
  b.day,
  b.basket_value,
  COALESCE(p.lines, 0) AS lines,
  COALESCE(p.discount, 0.0) AS discount,
  ROW_NUMBER() OVER (PARTITION BY b.shopper ORDER BY b.day) AS trip_number,
  DATE_DIFF(b.day, LAG(b.day) OVER (PARTITION BY b.shopper ORDER BY b.day), DAY) AS days_since_previous,
  s.personal,
  s.measured,
  {{ built() }} AS built
FROM {{ ref("baskets") }} AS b
JOIN {{ ref("consenting_shoppers") }} AS s ON s.shopper = b.shopper
LEFT JOIN products AS p ON p.shopper = b.shopper AND p.day = b.day
WHERE b.day > {{ oldest_day() }} AND b.day < {{ as_of() }}

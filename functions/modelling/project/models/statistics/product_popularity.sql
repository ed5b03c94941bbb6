{{ config(cluster_by=["product"]) }}
WITH
  bought AS (
    SELECT t.shopper, t.day, t.product, t.price FROM {{ ref("trip_products") }} AS t WHERE t.measured
  ),
{{ popularity("bought", "product") }}
SELECT
  k.as_of, k.purpose, k.product, c.category, c.department, c.brand,
  {{ popularity_columns() }}
FROM known AS k
JOIN totals AS n ON n.as_of = k.as_of
LEFT JOIN {{ ref("catalogue") }} AS c ON c.product = k.product

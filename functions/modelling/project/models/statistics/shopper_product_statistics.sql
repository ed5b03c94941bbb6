{{ config(cluster_by=["shopper", "product"]) }}
WITH
  bought AS (
    SELECT t.shopper, t.day, t.product, t.paid, t.discount, t.price FROM {{ ref("trip_products") }} AS t WHERE t.personal
  ),
{{ buying("bought", "product") }}
SELECT
  k.as_of, k.purpose, k.shopper, k.product, c.category, c.department, c.brand,
  {{ buying_columns() }}
FROM known AS k
LEFT JOIN {{ ref("catalogue") }} AS c ON c.product = k.product

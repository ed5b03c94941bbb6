{{ config(
  materialized="incremental",
  incremental_strategy="merge",
  unique_key=["shopper", "day", "product"],
  partition_by={"field": "day", "data_type": "date"},
  cluster_by=["shopper"],
  on_schema_change="fail",
  post_hook=["{{ forget() }}"]
) }}
-- Whatever the catalogue says: a product that changes its department must not need the history again. A row here never
-- vanishes but with its shopper or its day (`forget`), so a merge suffices. insert_overwrite would be cheaper in
-- BigQuery and fails the second time in the emulator.
WITH touched AS ({{ touched(source("facts", "order_lines")) }})
SELECT
  l.shopper,
  t.day,
  l.product,
  SUM(CAST(l.quantity AS FLOAT64)) AS quantity,
  SUM(CAST(l.paid AS FLOAT64)) AS paid,
  SUM(CAST(COALESCE(l.discount, 0) AS FLOAT64)) AS discount,
  SUM(IF(l.quantity > 0 AND l.paid > 0, CAST(l.paid AS FLOAT64), NULL))
    / SUM(IF(l.quantity > 0 AND l.paid > 0, CAST(l.quantity AS FLOAT64), NULL)) AS price,
  MAX(l.received) AS received
FROM {{ source("facts", "order_lines") }} AS l
JOIN touched AS t ON t.shopper = l.shopper AND t.day = {{ day_of("l.`at`") }}
WHERE l.`at` >= {{ touched_since(source("facts", "order_lines")) }} AND {{ counts("l.`at`") }}
GROUP BY l.shopper, t.day, l.product

{{ config(
  materialized="incremental",
  incremental_strategy="merge",
  unique_key=["shopper", "day"],
  partition_by={"field": "day", "data_type": "date"},
  cluster_by=["shopper"],
  on_schema_change="fail",
  post_hook=["{{ forget() }}"]
) }}
-- Incremental as `purchases` is.
WITH touched AS ({{ touched(source("facts", "orders")) }})
SELECT
  o.shopper,
  t.day,
  SUM(CAST(o.total AS FLOAT64)) AS basket_value,
  COUNT(*) AS orders,
  MAX(o.received) AS received
FROM {{ source("facts", "orders") }} AS o
JOIN touched AS t ON t.shopper = o.shopper AND t.day = {{ day_of("o.`at`") }}
WHERE o.`at` >= {{ touched_since(source("facts", "orders")) }} AND {{ counts("o.`at`") }}
GROUP BY o.shopper, t.day

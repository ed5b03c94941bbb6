{{ config(materialized="table", cluster_by=["shopper"]) }}
-- The newest consent known, also after the run's moment: repeated, a run must not count who has withdrawn since.
WITH
  newest AS (
    SELECT c.shopper, c.personalisation, c.measurement
    FROM {{ source("facts", "consents") }} AS c
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY c.shopper ORDER BY UNIX_MILLIS(c.`at`) DESC, c.event_id DESC) = 1
  ),
  buyers AS (
    SELECT DISTINCT o.shopper FROM {{ source("facts", "orders") }} AS o WHERE {{ counts("o.`at`") }}
  ),
  known AS (
    SELECT
      b.shopper,
      COALESCE(n.personalisation, {{ var("unknown_consent") }}) AS personal,
      COALESCE(n.measurement, {{ var("unknown_consent") }}) AS measured
    FROM buyers AS b
    LEFT JOIN newest AS n ON n.shopper = b.shopper
  )
SELECT k.shopper, k.personal, k.measured, {{ built() }} AS built
FROM known AS k
WHERE k.personal OR k.measured

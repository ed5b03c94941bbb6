-- The first visit of each shopper in each week that began with offers held: what was held and drawn, what was known before,
-- and what the shopper bought afterwards. One visit a week, because how many there are may itself come of what was shown.
--
-- Runs as it stands in BigQuery and in the laptop's emulator. {dataset} is put in (it cannot be a parameter):
--   since, until   of the visit; `until` lies `horizon` days back at least, so that what came of it is known
--   horizon        days after the visit whose orders count
--   memory         days before it whose orders are known of the shopper
--   unknown_consent   whether a shopper of whom no consent is known agrees to be measured
WITH
  consent AS (
    SELECT c.shopper, c.measurement
    FROM `{dataset}.consents` AS c
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY c.shopper ORDER BY UNIX_MILLIS(c.`at`) DESC, c.event_id DESC) = 1
  ),
  visits AS (
    SELECT v.event_id, v.shopper, v.`at`, v.control, v.offers
    FROM (
      SELECT
        d.event_id, d.shopper, d.`at`, d.control, d.offers,
        -- Weeks since the Monday of 1969-12-29; the emulator's DATE_TRUNC(…, WEEK(MONDAY)) gives Sundays.
        CAST(FLOOR((UNIX_DATE(DATE(d.`at`)) + 3) / 7) AS INT64) AS week
      FROM `{dataset}.decisions` AS d
      LEFT JOIN consent AS c ON c.shopper = d.shopper
      WHERE d.`at` >= @since AND d.`at` < @until AND d.control IS NOT NULL
        AND STRPOS(d.reason, '"rule":"starts"') > 0
        AND COALESCE(c.measurement, @unknown_consent)
    ) AS v
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY v.shopper, v.week ORDER BY v.`at`, v.event_id) = 1
  ),
  bought AS (
    SELECT
      v.event_id,
      SUM(CAST(l.paid AS FLOAT64)) AS paid,
      SUM(CAST(COALESCE(l.discount, 0) AS FLOAT64)) AS discount
    FROM visits AS v
    JOIN `{dataset}.order_lines` AS l
      ON l.shopper = v.shopper AND l.`at` > v.`at` AND l.`at` <= TIMESTAMP_ADD(v.`at`, INTERVAL @horizon DAY)
    WHERE l.`at` >= @since AND l.`at` <= TIMESTAMP_ADD(@until, INTERVAL @horizon DAY)
    GROUP BY v.event_id
  ),
  before AS (
    SELECT v.event_id, SUM(CAST(o.total AS FLOAT64)) AS spent, COUNT(*) AS orders
    FROM visits AS v
    JOIN `{dataset}.orders` AS o
      ON o.shopper = v.shopper AND o.`at` < v.`at` AND o.`at` >= TIMESTAMP_SUB(v.`at`, INTERVAL @memory DAY)
    -- Said again of the dates alone, so that only these partitions are read.
    WHERE o.`at` < @until AND o.`at` >= TIMESTAMP_SUB(@since, INTERVAL @memory DAY)
    GROUP BY v.event_id
  )
SELECT
  v.shopper, v.control, v.offers,
  COALESCE(a.paid, 0.0) AS paid, COALESCE(a.discount, 0.0) AS discount,
  COALESCE(b.spent, 0.0) AS spent_before, COALESCE(b.orders, 0) AS orders_before
FROM visits AS v
LEFT JOIN bought AS a ON a.event_id = v.event_id
LEFT JOIN before AS b ON b.event_id = v.event_id

-- The usual unit price of each product that a running campaign may promote: the median of what the clientele paid. One
-- price for everybody, read once for a whole run, so that no two shards see different ones. {dataset} is put in by the
-- function; bound:
--   now, since   purchases from `since` up to, and not including, `now`
--   products, categories   which the campaigns name
--   unknown_consent   whether a shopper of whom no consent is known agrees to be measured
WITH
  consent AS (
    SELECT c.shopper, c.measurement
    FROM `{dataset}.consents` AS c
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY c.shopper ORDER BY UNIX_MILLIS(c.`at`) DESC, c.event_id DESC) = 1
  ),
  bought AS (
    SELECT l.product, CAST(l.paid AS FLOAT64) / CAST(l.quantity AS FLOAT64) AS price
    FROM `{dataset}.order_lines` AS l
    LEFT JOIN `{dataset}.products` AS p ON p.product = l.product
    LEFT JOIN consent AS c ON c.shopper = l.shopper
    WHERE l.`at` >= @since AND l.`at` < @now AND l.quantity > 0 AND l.paid > 0
      AND (l.product IN UNNEST(@products) OR COALESCE(p.category, '') IN UNNEST(@categories))
      AND COALESCE(c.measurement, @unknown_consent)
  )
SELECT r.product, ROUND(r.price, 2) AS price
FROM (
  SELECT
    b.product, b.price,
    ROW_NUMBER() OVER (PARTITION BY b.product ORDER BY b.price) AS place,
    COUNT(*) OVER (PARTITION BY b.product) AS many
  FROM bought AS b
) AS r
WHERE r.place = CEIL(r.many / 2)
ORDER BY r.product

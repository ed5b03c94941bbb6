-- How often and for how much each shopper buys who may be personalised, of the tables that modelling made: one row each,
-- in the order of pseudonyms. {dataset} and {shard} (a condition on `s.shopper`) are put in by the function; bound:
--   unknown_consent   whether a shopper of whom no consent is known agrees
--   consents_since    consents before it are not read: the tables know them
-- The tables hold whom consented when they were built. The newest consent decides again: who withdrew since is left out.
WITH
  consent AS (
    SELECT c.shopper, c.personalisation
    FROM `{dataset}.consents` AS c
    WHERE c.`at` >= @consents_since
    QUALIFY ROW_NUMBER() OVER (PARTITION BY c.shopper ORDER BY UNIX_MILLIS(c.`at`) DESC, c.event_id DESC) = 1
  )
SELECT
  s.as_of, s.shopper, s.trips, s.trips_28, s.q10, s.q25, s.q50, s.q60, s.q75, s.q90, s.discount_share, s.segment
FROM `{dataset}.shopper_statistics` AS s
LEFT JOIN consent AS c ON c.shopper = s.shopper
WHERE s.purpose = 'score' AND COALESCE(c.personalisation, @unknown_consent) AND {shard}
ORDER BY s.shopper

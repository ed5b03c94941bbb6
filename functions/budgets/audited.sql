-- Whose orders said something in a while: what settlement had a message of.
SELECT DISTINCT o.shopper
FROM (
  SELECT shopper, channel, received, `at` FROM `{dataset}.orders`
  UNION ALL
  SELECT shopper, channel, received, `at` FROM `{dataset}.order_statuses`
) AS o
WHERE o.received >= @since AND o.received < @until AND o.`at` >= @oldest AND o.channel != 'history'
ORDER BY 1

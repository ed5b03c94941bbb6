-- Departments that are no products are left out here, and nowhere else: what a till prints beside them is no purchase.
SELECT
  p.shopper, p.day, p.product, c.category, c.department, c.brand, p.quantity, p.paid, p.discount, p.price,
  s.personal, s.measured
FROM {{ ref("purchases") }} AS p
JOIN {{ ref("consenting_shoppers") }} AS s ON s.shopper = p.shopper
LEFT JOIN {{ ref("catalogue") }} AS c ON c.product = p.product
WHERE COALESCE(c.department, '') NOT IN ({{ quoted(var("excluded_departments")) }})
  AND p.day > {{ oldest_day() }} AND p.day < {{ as_of() }}

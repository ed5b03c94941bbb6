-- Where a delivery names a product twice, one of the two: a join must not count a purchase twice.
SELECT p.product, p.brand, p.department, p.category, p.type
FROM {{ source("facts", "products") }} AS p
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY p.product ORDER BY p.department, p.category, p.brand, p.type) = 1

{%- set known = [var("as_of")] + var("training_days") %}
{%- for day in var("training_days") if day >= var("as_of") %}
  {{ exceptions.raise_compiler_error("training day " ~ day ~ " is not before " ~ var("as_of") ~ ": its targets are not known, and it would count as scored") }}
{%- endfor %}
{%- for day in known | unique | sort %}
SELECT DATE '{{ day }}' AS as_of, '{{ "score" if day == var("as_of") else "train" }}' AS purpose
{%- if not loop.last %} UNION ALL{% endif %}
{%- endfor %}

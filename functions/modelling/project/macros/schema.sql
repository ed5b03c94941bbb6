{# infra makes the datasets, and the function may not: dbt would make one where it does not see it. #}
{% macro create_schema(relation) %}{% endmacro %}
{% macro drop_schema(relation) %}
  {{ exceptions.raise_compiler_error("no model may drop a dataset") }}
{% endmacro %}

{# A list of texts of our own, never of a request, as SQL. #}
{% macro quoted(texts) %}{% for text in texts %}'{{ text }}'{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}

-- What was earned on parts of a colour, by the supplier's nation and year.
SELECT nation, o_year, SUM(amount) AS sum_profit
FROM (
    SELECT n_name AS nation, EXTRACT(YEAR FROM o_orderdate) AS o_year,
           l_extendedprice * (1 - l_discount) - ps_supplycost * l_quantity AS amount
    FROM part, supplier, lineitem, partsupp, orders, nation
    WHERE l_suppkey = s_suppkey AND l_partkey = p_partkey AND l_orderkey = o_orderkey
      AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey AND s_nationkey = n_nationkey
      AND p_name LIKE '%green%') AS profit
GROUP BY nation, o_year
ORDER BY nation, o_year DESC

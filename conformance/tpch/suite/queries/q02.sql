-- The European suppliers of each part of a kind that ask the least for it.
SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM part, supplier, partsupp, nation, region
WHERE ps_partkey = p_partkey AND ps_suppkey = s_suppkey
  AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey
  AND p_size = 15 AND p_type LIKE '%BRASS' AND r_name = 'EUROPE'
  AND ps_supplycost = (
      SELECT MIN(ps_supplycost)
      FROM partsupp, supplier, nation, region
      WHERE ps_partkey = p_partkey AND ps_suppkey = s_suppkey
        AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'EUROPE')
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100

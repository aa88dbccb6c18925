-- The table of scored payments, one row each, cut into partitions by customer. COLUMNS and PARTITIONS are filled in.
CREATE TABLE transactions (
  {COLUMNS},
  PRIMARY KEY (user_id, transaction_id)
) PARTITION BY HASH (user_id);

DO $$
BEGIN
  FOR n IN 0 .. {PARTITIONS} - 1 LOOP
    EXECUTE format(
      'CREATE TABLE transactions_%s PARTITION OF transactions FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
      lpad(n::text, 4, '0'), {PARTITIONS}, n
    );
  END LOOP;
END
$$;

COMMENT ON TABLE transactions IS 'One row per scored payment, as it was scored last.';

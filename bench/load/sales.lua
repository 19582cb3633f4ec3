-- wrk: posts sales of ten stores, each with its own id and the time of its second.
-- BENCH_AUTHORIZATION is the header; BENCH_RUN (eight hex digits) keeps the ids of several runs apart.
local run = os.getenv("BENCH_RUN") or "00000000"
local headers = {
  ["Authorization"] = os.getenv("BENCH_AUTHORIZATION"),
  ["Content-Type"] = "application/json",
}
local path = "/api/v1/pos/validate_transaction"
local count, second, stamp = 0, 0, ""

local body = '{"transaction_id":"%s-0000-4000-8000-%012x","timestamp":"%s","store_id":"STORE_%d","cashier_id":"CASHIER_%d",'
  .. '"items":[{"item_id":"milk-1l","name":"Bio-Vollmilch 3,8 %% 1 l","quantity":2,"price_per_unit":1.29,"total_price":2.58},'
  .. '{"item_id":"bread-500","name":"Roggenmischbrot 500 g","quantity":1,"price_per_unit":3.49,"total_price":3.49},'
  .. '{"item_id":"apples-1k","name":"Äpfel Elstar 1 kg","quantity":3,"price_per_unit":2.79,"total_price":8.37}],'
  .. '"total_amount":14.44,"payment_method":"credit_card","payment_status":"success","customer_id":"CUSTOMER_%d",'
  .. '"loyalty_points_earned":3,"receipt":{"receipt_id":"receipt-%012x","date":"%s","total_amount":14.44,'
  .. '"payment_method":"credit_card","transaction_id":"%s-0000-4000-8000-%012x"}}'

request = function()
  local now = os.time()
  if now ~= second then
    second = now
    stamp = os.date("!%Y-%m-%dT%H:%M:%SZ", now)
  end
  count = count + 1
  local text = string.format(body, run, count, stamp, count % 10 + 1, count % 8 + 1, count % 500 + 1, count, stamp, run, count)
  return wrk.format("POST", path, headers, text)
end

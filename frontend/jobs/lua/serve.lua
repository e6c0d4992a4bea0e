-- id, owner, record, picture, verdict, gen_id, keep_s, idempotency key, its body hash, limit of the owner's stored jobs,
-- webhook ('' for none), its lane, limits of the owner's and of all webhooks that are still to be delivered,
-- the owner's jobs in a day and pictures in a month (0: any number) -> a finished job that hands out a picture of the cache
local id, owner, record, picture, verdict, gen_id, keep_s, repeat_key, body, max_stored, webhook, lane, owner_webhooks, all_webhooks, daily, monthly = unpack(ARGV)
-- A client library that lost our answer asks again.
if redis.call('EXISTS', key(id)) == 1 then return {'accepted', id} end
if redis.call('HEXISTS', TAKEN_DOWN, gen_id) == 1 then return {'taken', id} end
if repeat_key ~= '' then
  local known = redis.call('HMGET', repeat_key, 'id', 'body')
  if known[1] then return {known[2] == body and 'same' or 'conflict', known[1]} end
end
local over = over_limit(owner, daily, '0') -- nothing is drawn
if over then return over end
local wait_ms = over_quota(owner, max_stored)
if wait_ms then return {'stored', wait_ms} end
local refused = webhook_refused(webhook, owner, owner_webhooks, all_webhooks)
if refused then return {refused, id} end
if repeat_key ~= '' then
  redis.call('HSET', repeat_key, 'id', id, 'body', body)
  redis.call('EXPIRE', repeat_key, keep_s)
end
redis.call('HSET', key(id), 'record', record, 'owner', owner, 'state', 'COMPLETED', 'progress', '1',
  'picture', picture, 'verdict', verdict, 'keep_s', keep_s)
use_order(id, owner, 'cached', 1)
keep(id)
order_webhook(id, webhook, lane)
owe_webhook(id)
-- By expiry: a picture that many ask for is never without jobs, and those that are gone are forgotten all the same.
local shown = CACHE_JOBS_PREFIX .. gen_id
redis.call('ZADD', shown, now_ms() + keep_s * 1000, id)
redis.call('ZREMRANGEBYSCORE', shown, '-inf', now_ms())
redis.call('EXPIRE', shown, keep_s)
return accepted(id, owner, daily, monthly)

-- id, owner, record, mark, deadline in ms from now, keep_s, queue limit, owner's limit, limit of all watermarks in bytes,
-- idempotency key, its body hash, its life in s, limit of the owner's stored jobs, webhook ('' for none), its lane, limits of
-- the owner's and of all webhooks that are still to be delivered, the owner's jobs in a day and pictures in a month (0: any
-- number), its share of the queue (SHARES), the record's version -> what became of it, and which job or, where it is over a quota, the ms until it
-- is not; see also `accepted`
local id, owner, record, mark, life_ms, keep_s, queue_limit, owner_limit, max_watermark_bytes, repeat_key, body, repeat_s, max_stored, webhook, lane, owner_webhooks, all_webhooks, daily, monthly, share, version = unpack(ARGV)
-- A client library that lost our answer asks again: the job may even be at work by now.
if redis.call('EXISTS', key(id)) == 1 then return {'accepted', id} end
if repeat_key ~= '' then
  local known = redis.call('HMGET', repeat_key, 'id', 'body')
  if known[1] then return {known[2] == body and 'same' or 'conflict', known[1]} end
end
if redis.call('ZCARD', WAITING) >= tonumber(queue_limit) then return {'full', id} end
if redis.call('SCARD', OPEN_PREFIX .. owner) >= tonumber(owner_limit) then return {'busy', id} end
local over = over_limit(owner, daily, monthly)
if over then return over end
local wait_ms = over_quota(owner, max_stored)
if wait_ms then return {'stored', wait_ms} end
if mark ~= '' and tonumber(redis.call('GET', WATERMARK_BYTES) or 0) + #mark > tonumber(max_watermark_bytes) then return {'full', id} end
local refused = webhook_refused(webhook, owner, owner_webhooks, all_webhooks)
if refused then return {refused, id} end
local now = now_ms()
local deadline = now + tonumber(life_ms)
redis.call('HSET', key(id), 'record', record, 'owner', owner, 'state', 'IN_QUEUE', 'progress', '0', 'attempt', '0',
  'charged', '0', 'deadline', string.format('%d', deadline), 'keep_s', keep_s, 'seq', redis.call('INCR', SEQUENCE), 'share', share,
  'version', version)
order_webhook(id, webhook, lane)
if mark ~= '' then
  redis.call('HSET', key(id), 'mark', mark)
  redis.call('INCRBY', WATERMARK_BYTES, #mark)
end
-- No expiry yet: what OPEN, the owner's set and WATERMARK_BYTES count goes through settle, however long nobody sweeps.
redis.call('ZADD', OPEN, deadline, id)
redis.call('SADD', OPEN_PREFIX .. owner, id)
store_until(id, owner, deadline + keep_s * 1000) -- at the latest
use_order(id, owner)
redis.call('HSET', SHARES, owner, share) -- the newest one is what the key has now
enqueue(id, now)
if repeat_key ~= '' then
  redis.call('HSET', repeat_key, 'id', id, 'body', body)
  redis.call('EXPIRE', repeat_key, repeat_s)
end
return accepted(id, owner, daily, monthly)

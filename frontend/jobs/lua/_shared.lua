-- Put before every script, after the names of contract/redis_keys.py. One job is one hash.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function key(id) return JOB_PREFIX .. id end

local function get(id, field) return redis.call('HGET', key(id), field) end

local function in_hand(id)
  local state = get(id, 'state')
  return state == 'IN_QUEUE' or state == 'IN_PROGRESS'
end

-- The token of a start is its fence: a stale worker's write finds that of a later one. A number would not do: a master that
-- takes over may not know of the last starts, and would count them once more.
local function holds(id, token)
  return get(id, 'state') == 'IN_PROGRESS' and get(id, 'taken_by') == token
end

-- Whoever follows jobs (frontend/jobs/changes.py) looks again. Nothing is kept for those who are not there.
local function tell(what) redis.call('PUBLISH', CHANGES, what) end

local function drop_entry(entry)
  redis.call('XACK', QUEUE, WORKERS, entry)
  redis.call('XDEL', QUEUE, entry)
end

local function leave_waiting(id)
  if leave_line(id, get(id, 'owner')) then tell(QUEUE_MOVED) end
end

local function leave_queue(id)
  local entry = get(id, 'entry')
  if entry then drop_entry(entry) end
  leave_waiting(id)
end

local function enqueue(id, since_ms)
  local owner, seq, share = unpack(redis.call('HMGET', key(id), 'owner', 'seq', 'share'))
  redis.call('HDEL', key(id), 'entry')
  redis.call('HSET', key(id), 'queued', string.format('%d', since_ms))
  join_line(id, owner, seq, share)
end

-- A server of the version before queues jobs as entries of the stream that no worker has been given yet: they get
-- their places in the lines. How many were looked at; a hundred at most.
local function adopt(consumer)
  local found = redis.call('XREADGROUP', 'GROUP', WORKERS, consumer, 'COUNT', 100, 'STREAMS', QUEUE, '>')
  if not found then return 0 end
  for _, row in ipairs(found[1][2]) do
    local entry, id = row[1], row[2] and row[2][2] or ''
    drop_entry(entry)
    if in_hand(id) and get(id, 'entry') == entry then
      redis.call('HSET', key(id), 'state', 'IN_QUEUE')
      enqueue(id, string.match(entry, '^%d+'))
    end
  end
  return #found[1][2]
end

local function drop_watermark(id)
  local size = redis.call('HSTRLEN', key(id), 'mark')
  if size == 0 then return end
  redis.call('HDEL', key(id), 'mark')
  if redis.call('DECRBY', WATERMARK_BYTES, size) <= 0 then redis.call('DEL', WATERMARK_BYTES) end
end

-- Counts a job for its key's quota until it expires. The set lives as long as what it counts, and forgets a few of
-- those that are gone each time.
local function store_until(id, owner, at_ms)
  local stored = STORED_PREFIX .. owner
  redis.call('ZADD', stored, at_ms, id)
  redis.call('PEXPIREAT', stored, redis.call('ZREVRANGE', stored, 0, 0, 'WITHSCORES')[2])
  local gone = redis.call('ZRANGEBYSCORE', stored, '-inf', now_ms(), 'LIMIT', 0, 100)
  if #gone > 0 then redis.call('ZREM', stored, unpack(gone)) end
end

-- The ms until a key that stores as many jobs as it may stores one less; nil while it may store more.
local function over_quota(owner, limit)
  local stored, now = STORED_PREFIX .. owner, now_ms()
  local later = '(' .. string.format('%d', now)
  if redis.call('ZCOUNT', stored, later, '+inf') < tonumber(limit) then return nil end
  return redis.call('ZRANGEBYSCORE', stored, later, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] - now
end

local function keep(id)
  local keep_s = get(id, 'keep_s')
  redis.call('EXPIRE', key(id), keep_s)
  store_until(id, get(id, 'owner'), now_ms() + keep_s * 1000)
end

-- Webhooks. A lane stands in WEBHOOK_LANES at the time of its first delivery, as long as it has one.
local function order_lane(lane)
  local first = redis.call('ZRANGE', WEBHOOK_LANE_PREFIX .. lane, 0, 0, 'WITHSCORES')
  if first[1] then redis.call('ZADD', WEBHOOK_LANES, first[2], lane) else redis.call('ZREM', WEBHOOK_LANES, lane) end
end

local function deliver_at(id, at_ms)
  local lane = redis.call('HGET', WEBHOOK_PREFIX .. id, 'lane')
  redis.call('ZADD', WEBHOOK_LANE_PREFIX .. lane, string.format('%d', at_ms), id)
  order_lane(lane)
end

local function count_pending(owner, by)
  for _, of in ipairs({owner, WEBHOOKS_IN_ALL}) do
    if redis.call('HINCRBY', WEBHOOKS_PENDING, of, by) <= 0 then redis.call('HDEL', WEBHOOKS_PENDING, of) end
  end
end

local function pending(of) return tonumber(redis.call('HGET', WEBHOOKS_PENDING, of) or 0) end

-- Begins (once more, where it was replayed) the delivery of a job's end: an hour of attempts.
local function begin_delivery(id, owner)
  local delivery, now = WEBHOOK_PREFIX .. id, now_ms()
  redis.call('HSET', delivery, 'state', 'PENDING', 'tries', '0', 'began', string.format('%d', now))
  redis.call('PERSIST', delivery)
  redis.call('ZADD', WEBHOOKS_KEPT, now, id)
  count_pending(owner, 1)
  deliver_at(id, now)
end

-- A job that is made, or has ended: its webhook is due, once. Made, it is reviewed by whoever comes to deliver it.
local function owe_webhook(id)
  local webhook, lane, owner = unpack(redis.call('HMGET', key(id), 'webhook', 'lane', 'owner'))
  if not webhook then return end
  local delivery = WEBHOOK_PREFIX .. id
  if redis.call('HSETNX', key(id), 'owed', '1') == 1 then
    redis.call('HSET', delivery, 'webhook', webhook, 'lane', lane, 'owner', owner, 'attempt', '0')
    begin_delivery(id, owner)
  elseif redis.call('HEXISTS', delivery, 'unreviewed') == 1 then
    deliver_at(id, now_ms())
  end
end

-- Why a new job may not have a webhook: nil where it may, or has none ('').
local function webhook_refused(webhook, owner, owner_limit, limit)
  if webhook == '' then return nil end
  if pending(owner) >= tonumber(owner_limit) then return 'webhooks' end
  if pending(WEBHOOKS_IN_ALL) >= tonumber(limit) then return 'undelivered' end
end

local function order_webhook(id, webhook, lane)
  if webhook ~= '' then redis.call('HSET', key(id), 'webhook', webhook, 'lane', lane) end
end

-- Every way out of IN_QUEUE and IN_PROGRESS: the job holds no place, no slot and no watermark any more.
local function settle(id, state)
  local owner, token = unpack(redis.call('HMGET', key(id), 'owner', 'taken_by'))
  leave_queue(id)
  if token then redis.call('DEL', START_PREFIX .. token) end
  redis.call('ZREM', OPEN, id)
  redis.call('SREM', OPEN_PREFIX .. owner, id)
  free_line(owner)
  redis.call('HSET', key(id), 'state', state, 'progress', '1')
  drop_watermark(id)
  keep(id)
  owe_webhook(id)
  tell(id)
end

local function finish(id, state, message)
  settle(id, state)
  if message ~= '' then redis.call('HSET', key(id), 'error', message) end
end

-- Removes the consumers that hold no entry and that `goes` (name, idle ms) picks; how many. Within a script, since
-- Redis forgets with a consumer what it holds, and one that is asked about first may take an entry before it goes.
local function forget_consumers(goes)
  local gone = 0
  for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', QUEUE, WORKERS)) do
    local consumer = {}
    for at = 1, #row, 2 do consumer[row[at]] = row[at + 1] end
    if consumer.pending == 0 and goes(consumer.name, consumer.idle) then
      redis.call('XGROUP', 'DELCONSUMER', QUEUE, WORKERS, consumer.name)
      gone = gone + 1
    end
  end
  return gone
end

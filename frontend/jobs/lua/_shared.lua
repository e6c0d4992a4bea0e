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

-- The attempt number is the fencing token: it only grows, so a stale worker's write finds another number.
local function holds(id, attempt)
  return get(id, 'state') == 'IN_PROGRESS' and get(id, 'attempt') == attempt
end

local function leave_queue(id)
  local entry = get(id, 'entry')
  if entry then
    redis.call('XACK', QUEUE, WORKERS, entry)
    redis.call('XDEL', QUEUE, entry)
  end
  redis.call('ZREM', WAITING, id)
end

local function enqueue(id)
  redis.call('HSET', key(id), 'entry', redis.call('XADD', QUEUE, '*', 'id', id))
  redis.call('ZADD', WAITING, get(id, 'seq'), id)
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

-- Every way out of IN_QUEUE and IN_PROGRESS: the job holds no place, no slot and no watermark any more.
local function settle(id, state)
  leave_queue(id)
  redis.call('ZREM', OPEN, id)
  redis.call('SREM', OPEN_PREFIX .. get(id, 'owner'), id)
  redis.call('HSET', key(id), 'state', state, 'progress', '1')
  drop_watermark(id)
  keep(id)
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

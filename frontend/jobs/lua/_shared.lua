-- Put before every script. One job is one hash; the names of its fields are in store.py.
local QUEUE, GROUP = 'imgen:queue', 'workers'
local WAITING, OPEN = 'imgen:waiting', 'imgen:open'
-- WAITING: ids by order of acceptance, for the position in the queue. OPEN: ids by deadline, for the sweep.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function key(id) return 'imgen:job:' .. id end

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
    redis.call('XACK', QUEUE, GROUP, entry)
    redis.call('XDEL', QUEUE, entry)
  end
  redis.call('ZREM', WAITING, id)
end

local function enqueue(id)
  redis.call('HSET', key(id), 'entry', redis.call('XADD', QUEUE, '*', 'id', id))
  redis.call('ZADD', WAITING, get(id, 'seq'), id)
end

-- Every way out of IN_QUEUE and IN_PROGRESS: the job holds no place, no slot and no watermark any more.
local function settle(id, state)
  leave_queue(id)
  redis.call('ZREM', OPEN, id)
  redis.call('SREM', 'imgen:open:' .. get(id, 'owner'), id)
  redis.call('HSET', key(id), 'state', state, 'progress', '1')
  redis.call('HDEL', key(id), 'mark')
  redis.call('EXPIRE', key(id), get(id, 'keep_s'))
end

local function finish(id, state, message)
  settle(id, state)
  if message ~= '' then redis.call('HSET', key(id), 'error', message) end
end

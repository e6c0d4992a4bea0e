-- The queue: a line of waiting jobs for each key, and which key's turn comes next. Put before _shared.lua.
-- Turns are numbers on a clock that starts of jobs move, not time. A line stands at one turn, that of its first job; after
-- it, the key's next turn is a stride later: so keys with lines start jobs in inverse proportion to their strides. This is
-- self-clocked fair queueing (Golestani, 1994), with a bounded credit for keys that asked for little, and a clock that never
-- stands still. Why, and the figures: docs/decisions/fairness.md.
local UNIT = 1024 -- room below it to put those in order who come between two starts
local AGING = 2 * UNIT -- by which a start moves the clock at least: whoever comes later than this has a later turn
local MAX_CREDIT = 96 * UNIT
local PRIORITIES = {
  interactive = {stride = 4 * UNIT, credit = MAX_CREDIT},
  normal = {stride = 16 * UNIT, credit = MAX_CREDIT},
  batch = {stride = 64 * UNIT, credit = 0},
}

local function clock() return tonumber(redis.call('GET', CLOCK) or 0) end

local function priority_of(owner)
  local share = redis.call('HGET', SHARES, owner)
  return PRIORITIES[share and string.match(share, '^%a+')] or PRIORITIES.normal
end

local function last_turn(owner) return tonumber(redis.call('ZSCORE', LAST_TURNS, owner) or '-inf') end

local function turn_after(last, now, priority)
  return math.max(last, now - priority.credit) + priority.stride
end

local function clock_after(turn, now) return math.max(now + AGING, turn) end

-- Whether a key has as many jobs at work as it may: what is unfinished and does not wait is at work.
local function is_full(owner)
  local most = tonumber(string.match(redis.call('HGET', SHARES, owner) or '', '%d+$') or 0)
  return most > 0 and redis.call('SCARD', OPEN_PREFIX .. owner) - redis.call('ZCARD', LINE_PREFIX .. owner) >= most
end

-- One waiting worker is enough: it wakes the next one if there is more to take.
local function wake()
  if redis.call('EXISTS', WAKE) == 0 then redis.call('RPUSH', WAKE, '1') end
end

local function line_up(owner)
  if is_full(owner) then
    redis.call('ZREM', TURNS, owner)
    redis.call('SADD', HELD, owner)
    return
  end
  redis.call('SREM', HELD, owner)
  redis.call('ZADD', TURNS, turn_after(last_turn(owner), clock(), priority_of(owner)), owner)
  wake()
end

-- Of two keys that come between two starts, the first one comes first.
local function line_up_anew(owner)
  redis.call('INCR', CLOCK)
  line_up(owner)
end

-- `share`: what stands in SHARES; false of a job of the version before.
local function join_line(id, owner, seq, share)
  redis.call('ZADD', WAITING, seq, id)
  redis.call('ZADD', LINE_PREFIX .. owner, seq, id)
  redis.call('HSETNX', SHARES, owner, share or 'normal 0')
  if not redis.call('ZSCORE', TURNS, owner) then line_up_anew(owner) end
end

-- Whether the queue has moved. A line keeps its turn: that of a job that goes away is the next one's.
local function leave_line(id, owner)
  if owner and redis.call('ZREM', LINE_PREFIX .. owner, id) == 1 and redis.call('EXISTS', LINE_PREFIX .. owner) == 0 then
    redis.call('ZREM', TURNS, owner)
    redis.call('SREM', HELD, owner)
    redis.call('HDEL', SHARES, owner)
  end
  return redis.call('ZREM', WAITING, id) == 1
end

-- After a job of this key has left work.
local function free_line(owner)
  if redis.call('SISMEMBER', HELD, owner) == 1 and not is_full(owner) then line_up_anew(owner) end
end

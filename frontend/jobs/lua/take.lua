-- consumer, token of this call, limit of charged starts, limit of all starts, the newest version of a record that the worker
-- can read; id and stream entry of a job whose worker fell silent, '' for the next waiting one -> (id, attempt, record, mark,
-- queue milliseconds; or nothing when there is nothing to do), how many jobs were ended instead: past their deadline, after
-- too many starts; and how many were left to workers of a later version
local timed_out, failed, too_new = 0, 0, 0
local consumer, token, charged_limit, starts_limit, readable, silent, entry = unpack(ARGV)

local function started(id)
  local attempt, record, mark, queued, at = unpack(redis.call('HMGET', key(id), 'attempt', 'record', 'mark', 'queued', 'entry'))
  return {id, tonumber(attempt), record, mark or '', now_ms() - tonumber(queued or string.match(at, '^%d+'))}
end

-- Ends a job that must not be started (again); whether it did.
local function ended(id)
  if now_ms() > tonumber(get(id, 'deadline')) then
    finish(id, 'TIMED_OUT', '')
    timed_out = timed_out + 1
  elseif tonumber(get(id, 'charged')) >= tonumber(charged_limit) or tonumber(get(id, 'attempt')) >= tonumber(starts_limit) then
    finish(id, 'FAILED', 'Generation failed')
    failed = failed + 1
  else
    return false
  end
  return true
end

local function start(id)
  redis.call('SET', START_PREFIX .. token, id, 'EX', 60)
  redis.call('HINCRBY', key(id), 'attempt', 1)
  redis.call('HINCRBY', key(id), 'charged', 1)
  redis.call('HSET', key(id), 'state', 'IN_PROGRESS', 'progress', '0', 'taken_by', token)
  tell(id)
  return started(id)
end

-- Into the hands of this consumer: the entry is the only one that nobody was given.
local function lease(id)
  redis.call('HSET', key(id), 'entry', redis.call('XADD', QUEUE, '*', 'id', id))
  redis.call('XREADGROUP', 'GROUP', WORKERS, consumer, 'COUNT', 1, 'STREAMS', QUEUE, '>')
end

-- The key whose turn it is has had it.
local function pass_turn(owner, turn)
  local now = clock_after(turn, clock())
  redis.call('SET', CLOCK, string.format('%d', now))
  redis.call('ZADD', LAST_TURNS, turn, owner)
  redis.call('ZREMRANGEBYSCORE', LAST_TURNS, '-inf', now - MAX_CREDIT)
  if redis.call('EXISTS', LINE_PREFIX .. owner) == 1 then line_up(owner) end
end

-- Whether it is for workers of a later version, whose turn with it stays.
local function is_too_new(id)
  if tonumber(get(id, 'version') or 0) <= tonumber(readable) then return false end
  too_new = too_new + 1
  return true
end

local function take_first(owner, turn)
  local id = redis.call('ZRANGE', LINE_PREFIX .. owner, 0, 0)[1]
  if not id then
    redis.call('ZREM', TURNS, owner)
  elseif is_too_new(id) then
    return nil
  elseif is_full(owner) then
    line_up(owner)
  elseif get(id, 'state') ~= 'IN_QUEUE' then -- ended by a server of the version before
    leave_waiting(id)
  elseif not ended(id) then
    leave_waiting(id)
    lease(id)
    pass_turn(owner, turn)
    return start(id)
  end
end

local function take_over()
  if not in_hand(silent) or get(silent, 'entry') ~= entry then
    drop_entry(entry)
  elseif not is_too_new(silent) and not ended(silent) then
    return start(silent)
  end
end

local function take_next()
  local taken
  if adopt(consumer) < 100 then
    for _ = 1, 100 do -- the others are looked at in the next call, at once
      local owner, turn = unpack(redis.call('ZRANGE', TURNS, too_new, too_new, 'WITHSCORES'))
      if owner then taken = take_first(owner, tonumber(turn)) end
      if taken or not owner then break end
    end
  end
  if redis.call('EXISTS', TURNS) == 1 then wake() else redis.call('DEL', WAKE) end
  return taken
end

-- A client library that lost our answer asks again: that is one start, charged once.
local known = redis.call('GET', START_PREFIX .. token)
local taken
if known then
  taken = started(known)
elseif silent ~= '' then
  taken = take_over()
else
  taken = take_next()
end
return {taken or false, timed_out, failed, too_new}

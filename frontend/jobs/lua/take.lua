-- id, stream entry, token of this call, limit of charged starts, limit of all starts
-- -> attempt, record, mark, queue milliseconds; or nothing when there is nothing to do
local id, entry, token, charged_limit, starts_limit = unpack(ARGV)
local function taken()
  local accepted = tonumber(string.match(entry, '^(%d+)'))
  return {tonumber(get(id, 'attempt')), get(id, 'record'), get(id, 'mark') or '', now_ms() - accepted}
end
if not in_hand(id) or get(id, 'entry') ~= entry then
  redis.call('XACK', QUEUE, WORKERS, entry)
  redis.call('XDEL', QUEUE, entry)
  return nil
end
-- A client library that lost our answer asks again: that is one start, charged once.
if get(id, 'taken_by') == token then return taken() end
if now_ms() > tonumber(get(id, 'deadline')) then
  finish(id, 'TIMED_OUT', '')
  return nil
end
if tonumber(get(id, 'charged')) >= tonumber(charged_limit)
    or tonumber(get(id, 'attempt')) >= tonumber(starts_limit) then
  finish(id, 'FAILED', 'Generation failed')
  return nil
end
redis.call('HINCRBY', key(id), 'attempt', 1)
redis.call('HINCRBY', key(id), 'charged', 1)
redis.call('HSET', key(id), 'state', 'IN_PROGRESS', 'progress', '0', 'taken_by', token)
redis.call('ZREM', WAITING, id)
return taken()

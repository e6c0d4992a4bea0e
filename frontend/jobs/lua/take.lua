-- id, stream entry, attempt limit -> attempt, record, mark, queue milliseconds; or nothing when there is nothing to do
local id, entry, limit = unpack(ARGV)
if not in_hand(id) or get(id, 'entry') ~= entry then
  redis.call('XACK', QUEUE, GROUP, entry)
  redis.call('XDEL', QUEUE, entry)
  return nil
end
if now_ms() > tonumber(get(id, 'deadline')) then
  finish(id, 'TIMED_OUT', '')
  return nil
end
if tonumber(get(id, 'charged')) >= tonumber(limit) then
  finish(id, 'FAILED', 'Generation failed')
  return nil
end
local attempt = redis.call('HINCRBY', key(id), 'attempt', 1)
redis.call('HINCRBY', key(id), 'charged', 1)
redis.call('HSET', key(id), 'state', 'IN_PROGRESS', 'progress', '0')
redis.call('ZREM', WAITING, id)
local accepted = tonumber(string.match(entry, '^(%d+)'))
return {attempt, get(id, 'record'), get(id, 'mark') or '', now_ms() - accepted}

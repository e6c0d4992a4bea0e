-- id, owner, record, picture, verdict, gen_id, keep_s, idempotency key, its body hash
-- -> a finished job that hands out a picture of the cache
local id, owner, record, picture, verdict, gen_id, keep_s, once, body = unpack(ARGV)
-- A client library that lost our answer asks again.
if redis.call('EXISTS', key(id)) == 1 then return {'accepted', id} end
if redis.call('HEXISTS', TAKEN, gen_id) == 1 then return {'taken', id} end
if once ~= '' then
  local known = redis.call('HMGET', once, 'id', 'body')
  if known[1] then return {known[2] == body and 'same' or 'conflict', known[1]} end
  redis.call('HSET', once, 'id', id, 'body', body)
  redis.call('EXPIRE', once, keep_s)
end
redis.call('HSET', key(id), 'record', record, 'owner', owner, 'state', 'COMPLETED', 'progress', '1',
  'picture', picture, 'verdict', verdict, 'keep_s', keep_s)
redis.call('EXPIRE', key(id), keep_s)
redis.call('SADD', 'imgen:cache:of:' .. gen_id, id)
redis.call('EXPIRE', 'imgen:cache:of:' .. gen_id, keep_s)
return {'accepted', id}

-- id -> what became of it: gone (no such delivery), expired (its job), pending (it is on its way already), replayed
local id = ARGV[1]
local delivery = WEBHOOK_PREFIX .. id
local state, owner = unpack(redis.call('HMGET', delivery, 'state', 'owner'))
if not state then return 'gone' end
if redis.call('EXISTS', key(id)) == 0 then return 'expired' end
if state == 'PENDING' then
  deliver_at(id, now_ms())
  return 'pending'
end
begin_delivery(id, owner)
return 'replayed'

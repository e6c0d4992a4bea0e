-- id, owner -> 1 if there was this job of that owner: it has ended, and nothing is kept of it
local id, owner = unpack(ARGV)
if get(id, 'owner') ~= owner then return 0 end
if in_hand(id) or get(id, 'state') == 'REVIEWING' then finish(id, 'CANCELLED', '') end
local delivery = WEBHOOK_PREFIX .. id
local lane, state = unpack(redis.call('HMGET', delivery, 'lane', 'state'))
if lane then
  redis.call('ZREM', WEBHOOK_LANE_PREFIX .. lane, id)
  order_lane(lane)
  if state == 'PENDING' then count_pending(owner, -1) end
end
redis.call('ZREM', WEBHOOKS_KEPT, id)
redis.call('DEL', delivery, key(id))
redis.call('ZREM', STORED_PREFIX .. owner, id)
tell(id)
return 1

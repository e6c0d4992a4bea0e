-- id, owner, token of this call -> the state found: nil for no such job of this owner
local id, owner, token = unpack(ARGV)
if get(id, 'owner') ~= owner then return nil end
-- A client library that lost our answer asks again: it hears of its own success, not of a job already cancelled.
if get(id, 'cancelled_by') == token then return get(id, 'cancelled_in') end
local state = get(id, 'state')
if in_hand(id) or state == 'REVIEWING' then
  redis.call('HSET', key(id), 'cancelled_by', token, 'cancelled_in', state)
  finish(id, 'CANCELLED', '')
end
return state

-- id, owner -> the state found: nil for no such job of this owner
local id, owner = unpack(ARGV)
if get(id, 'owner') ~= owner then return nil end
local state = get(id, 'state')
if in_hand(id) or state == 'REVIEWING' then finish(id, 'CANCELLED', '') end
return state

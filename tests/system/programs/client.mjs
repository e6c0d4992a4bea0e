const API = '@URL@';
const TOKEN = '@TOKEN@';
async function api(body) {
const r = await fetch(API, {
method: 'POST',
headers: { 'Content-Type': 'application/json', 'Authorization': `Bearer ${TOKEN}` },
body: JSON.stringify(body)
});
return r.json();
}
async function generateImage(prompt, opts = {}) {
const job = await api({
action: 'generate', prompt, model: opts.model || 'eros',
optimize: opts.optimize || false,
use_cache: opts.use_cache || false,
cache_only: opts.cache_only || false,
cache_force: opts.cache_force || false,
cache_pick: opts.cache_pick || 5,
width: opts.width || 1344, height: opts.height || 768,
style: opts.style || '', format: opts.format || 'jpeg',
compliance_ruleset: opts.compliance_ruleset || '',
precompliance: opts.precompliance || ''
});
if (job.error) throw new Error(job.error);
for (let i = 0; i < 120; i++) {
await new Promise(r => setTimeout(r, 3000));
const s = await api({ action: 'status', id: job.id, prompt: job.prompt, model: job.model });
if (s.status === 'IN_QUEUE' || s.status === 'IN_PROGRESS') continue;
if (s.status === 'COMPLETED') {
if (s.compliance === 'unsafe') {
const blockedUrl = s.unsafe_url ? atob(s.unsafe_url) : null;
const err = new Error(s.error);
err.unsafeUrl = blockedUrl;
err.categories = s.filter_categories || [];
throw err;
}
return { meta: s.meta, fromCache: !!s.cache };
}
throw new Error(s.error || 'Failed: ' + s.status);
}
throw new Error('Timeout');
}
const { meta, fromCache } = await generateImage('@PROMPT@', {
style: 'professional',
use_cache: true, cache_only: false, cache_force: false, cache_pick: 5,
compliance_ruleset: 'default',
precompliance: 'ban-word-service v3.2: no banned tokens matched; risk_score=0.04'
});
const signed = meta.images.find(i => i.type === 'signed');
console.log('Image URL:', signed?.url, fromCache ? '(cached)' : '(generated)');

// What the JavaScript programs have in common: one line of JSON for each default that is tried; see check.sh.
//
// A default is a function of its session. It returns how many rows it believes to have stored, and the id of one of
// them (null where the client learns none).

export const schema = process.env.TW_SCHEMA;
export const relations = ['conversation_capture', 'conversation_logs'];

// The error as a developer sees it; detail and hint stand in the driver's own error, which an ORM wraps.
export function shown(error) {
  const parts = [error.code, String(error.message).trim()];
  for (let inner = error, depth = 0; inner && depth < 5; depth += 1) {
    if (inner !== error) parts.push(inner.code, inner.message);
    parts.push(inner.detail, inner.hint);
    inner = inner.cause ?? inner.driverError ?? inner.original ?? inner.meta?.driverAdapterError;
  }
  const texts = parts.filter((part) => part != null && part !== '').map(String);
  const once = texts.filter((text, at) => !texts.slice(0, at).some((old) => old.includes(text)));
  return `${error.name}: ${once.join(' | ')}`;
}

export async function attempt(name, run, sent = {}) {
  const line = { default: name, session: name, rows: 0, id: null, error: null, sent };
  try {
    [line.rows, line.id] = await run(name);
  } catch (error) {
    line.error = shown(error);
  }
  console.log(JSON.stringify(line, (key, value) => (typeof value === 'bigint' ? String(value) : value)));
}

export function assert(isTrue, message) {
  if (!isTrue) throw new Error(message);
}

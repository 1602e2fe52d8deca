// Node-RED's settings for moodring's overview. On loopback only, unless MOODRING_PAGE_USER and MOODRING_PAGE_HASH
// (`npx node-red admin hash-pw`) say who may look and pause; the editor is on only with MOODRING_EDITOR=1.
const fs = require('fs');
const path = require('path');

const { MOODRING_PAGE_USER: user, MOODRING_PAGE_HASH: pass, MOODRING_EDITOR, MOODRING_PAGE_HOST, PORT } = process.env;
const userDir = path.resolve(process.env.MOODRING_NODERED_DIR || path.join(__dirname, '.runtime'));
const guard = user && pass ? { user, pass } : undefined;
const host = MOODRING_PAGE_HOST || '127.0.0.1';
if (!guard && !['127.0.0.1', '::1', 'localhost'].includes(host)) {
  throw new Error('MOODRING_PAGE_HOST opens the page to others: set MOODRING_PAGE_USER and MOODRING_PAGE_HASH too');
}

// Node-RED looks for credentials in its own folder only. This file has none: it names environment variables.
fs.mkdirSync(userDir, { recursive: true });
fs.copyFileSync(path.join(__dirname, 'flows_cred.json'), path.join(userDir, 'flows_cred.json'));

module.exports = {
  userDir,
  uiHost: host,
  uiPort: Number(PORT || 1880),
  httpAdminRoot: MOODRING_EDITOR === '1' ? '/editor' : false,
  adminAuth: guard && { type: 'credentials', users: [{ username: user, password: pass, permissions: '*' }] },
  httpNodeAuth: guard,
  httpStaticAuth: guard,
  httpStatic: [{ path: path.join(__dirname, 'page'), root: '/moodring/' }],
  flowFile: path.join(__dirname, 'flows.json'),
  credentialSecret: false,
  apiMaxLength: '16kb',
  mqttReconnectTime: 5000,
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { palette: { allowInstall: false }, modules: { allowInstall: false } },
  functionExternalModules: false,
  diagnostics: { enabled: false },
  runtimeState: { enabled: false },
  editorTheme: { tours: false, projects: { enabled: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};

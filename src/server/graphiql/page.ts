/**
 * GraphiQL, from this server alone: no CDN, no font, no request to anywhere else.
 *
 * Two kinds of answer. The page is 2 KB, made for each request, and all that varies lives in it as JSON. The assets
 * (script, styles, three workers: 8.8 MB, 2.1 MB with Brotli) are named by their hash: a browser fetches them once.
 *
 * Nothing is loaded until the first visit. That one imports and hashes the bundle (100 to 160 ms of the event loop, 40 MB
 * kept) and has it compressed in the thread pool (0.3 s); what is asked for again comes from memory.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createAsset, hasFresh, hashOf, type ImmutableAsset, send, sendAsset } from './immutable-asset.ts'

export interface GraphiqlOptions {
  /** The path of the GraphQL endpoint, where the page lives too: `/graphql`. */
  endpoint: string
  title: string
  /** What the editor holds on a first visit. */
  defaultQuery: string
  /** JSON text for the header editor. */
  defaultHeaders?: string | undefined
  /** Called when the bundle cannot be read; the caller has been answered with a 500. */
  onFault?: ((fault: unknown) => void) | undefined
}

export interface Visitor {
  /** JSON text for the header editor, in place of `defaultHeaders`. It may hold a token: such a page is never stored. */
  headers?: string | undefined
}

export interface GraphiqlPage {
  /** Whether a path (without its query) is one of the page's assets. The page itself shares the endpoint's path. */
  ownsPath(path: string): boolean
  /** Answers GET and HEAD: an asset's path with the asset, any other with the page. */
  respond(request: IncomingMessage, response: ServerResponse, visitor?: Visitor): void
}

export function createGraphiqlPage(options: GraphiqlOptions): GraphiqlPage {
  const assetsPath = `${options.endpoint}/assets/`
  let assets: Promise<Assets> | undefined

  const answer = async (request: IncomingMessage, response: ServerResponse, visitor: Visitor): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return send(request, response, 405, { ...securityHeaders, allow: 'GET, HEAD' })
    }
    assets ??= loadAssets(assetsPath)
    const { byPath, urls } = await assets
    const path = pathOf(request)
    if (!path.startsWith(assetsPath)) return sendPage(request, response, renderPage(options, urls, visitor), visitor)
    const asset = byPath.get(path)
    if (asset) await sendAsset(request, response, asset, securityHeaders)
    else send(request, response, 404, { ...securityHeaders, 'cache-control': 'no-store' })
  }

  return {
    ownsPath: (path) => path.startsWith(assetsPath),
    respond(request, response, visitor = {}) {
      answer(request, response, visitor).catch((fault) => {
        options.onFault?.(fault)
        if (response.headersSent) response.destroy()
        else send(request, response, 500, { 'cache-control': 'no-store' })
      })
    },
  }
}

/**
 * Scripts, styles and workers are files of our own, so no inline script is allowed, nor eval. Styles must be: monaco
 * writes its theme into <style> elements and positions lines by style attributes. Fonts and icons are data: in the CSS.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const securityHeaders = {
  'content-security-policy': contentSecurityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

// The page

const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32"><rect width="32" height="32" rx="7" fill="#1d3a36"/><path d="M8 9h16M16 9v15" stroke="#e3b94f" stroke-width="3.6" stroke-linecap="round"/><path d="M8 16h4M20 16h4M8 22h4M20 22h4" stroke="#8fb5ab" stroke-width="2.2" stroke-linecap="round"/></svg>'

function renderPage(options: GraphiqlOptions, urls: AssetUrls, visitor: Visitor): string {
  const title = escapeHtml(options.title)
  const headers = visitor.headers ?? options.defaultHeaders
  const settings = {
    workers: urls.workers,
    graphiql: {
      endpoint: options.endpoint,
      // GraphiQL writes title and logo as HTML.
      title,
      logo: icon,
      defaultQuery: options.defaultQuery,
      // What a reader writes into is at hand; a token is sent all the same, and not on show.
      ...(headers === undefined ? {} : { defaultHeaders: headers, defaultEditorToolsVisibility: 'variables' }),
      // A token in the header editor stays out of localStorage (Yoga's own default writes it there).
      shouldPersistHeaders: false,
      subscriptionsProtocol: 'SSE',
      // Subscriptions would go by GET otherwise: the operation in the URL, and so in every access log.
      method: 'POST',
    },
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<link rel="icon" href="data:image/svg+xml;base64,${Buffer.from(icon).toString('base64')}">
<link rel="stylesheet" href="${urls.style}">
<script defer src="${urls.script}"></script>
<script type="application/json" id="settings">${escapeScript(JSON.stringify(settings))}</script>
<style>html, body { margin: 0; height: 100% } #root { height: 100vh } .note { font: 16px/1.6 system-ui, sans-serif; color: #667; padding: 2rem }</style>
</head>
<body>
<div id="root"><p class="note">Opening ${title} …</p></div>
<noscript><p class="note">GraphiQL needs JavaScript. The API itself takes a POST to ${escapeHtml(options.endpoint)}.</p></noscript>
</body>
</html>
`
}

/** Runs before the bundle, which reads MonacoEnvironment while it loads. */
const beforeBundle = `
const settings = JSON.parse(document.getElementById('settings').textContent)
self.MonacoEnvironment = { globalAPI: false, getWorkerUrl: (moduleId, label) => settings.workers[label] }
`

/**
 * Storage has a prefix of our own: every project on http://localhost:4000 shares one localStorage, and GraphiQL would
 * open with another's tabs. `onEditQuery` takes the place of Yoga's, which copies each keystroke into the page's URL: a
 * login's password would reach the browser's history and, on reload, the access log.
 */
const afterBundle = `
{
  const prefix = 'thesaurum:'
  const ownKeys = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix))
  const storage = {
    getItem: (key) => localStorage.getItem(prefix + key),
    setItem: (key, value) => localStorage.setItem(prefix + key, value),
    removeItem: (key) => localStorage.removeItem(prefix + key),
    clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
    get length() { return ownKeys().length },
  }
  YogaGraphiQL.renderYogaGraphiQL(document.getElementById('root'), { ...settings.graphiql, storage, onEditQuery() {} })
  // So that Ctrl-Enter works at once: without the focus GraphiQL does not hear it.
  const watcher = new MutationObserver(() => {
    const input = document.querySelector('[aria-label="Operation Editor"] :is(textarea, .native-edit-context)')
    if (!input) return
    watcher.disconnect()
    input.focus()
  })
  watcher.observe(document.getElementById('root'), { childList: true, subtree: true })
}
`

/** The page stays uncompressed: it fits in one round trip, and a body that may hold a token is better not compressed. */
function sendPage(request: IncomingMessage, response: ServerResponse, page: string, visitor: Visitor): void {
  const isPersonal = visitor.headers !== undefined
  const etag = `"${hashOf(page)}"`
  const headers = {
    ...securityHeaders,
    'content-type': 'text/html; charset=utf-8',
    // The endpoint's path answers with GraphQL to whoever does not ask for HTML.
    vary: 'Accept',
    ...(isPersonal ? { 'cache-control': 'no-store' } : { 'cache-control': 'no-cache', etag }),
  }
  if (!isPersonal && hasFresh(request, etag)) send(request, response, 304, headers)
  else send(request, response, 200, headers, Buffer.from(page))
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** JSON that cannot end the <script> around it, nor open a comment there. */
function escapeScript(json: string): string {
  return json.replaceAll('<', '\\u003c')
}

// The assets

interface AssetUrls {
  script: string
  style: string
  /** By monaco's label. */
  workers: Record<'editorWorkerService' | 'graphql' | 'json', string>
}

interface Assets {
  byPath: Map<string, ImmutableAsset>
  urls: AssetUrls
}

async function loadAssets(assetsPath: string): Promise<Assets> {
  const bundle = await import('@graphql-yoga/render-graphiql/graphiql')
  const byPath = new Map<string, ImmutableAsset>()
  const add = (name: string, extension: 'css' | 'js', content: string): string => {
    const asset = createAsset(`text/${extension === 'js' ? 'javascript' : 'css'}; charset=utf-8`, content)
    const path = `${assetsPath}${name}.${asset.hash}.${extension}`
    byPath.set(path, asset)
    return path
  }
  const urls = {
    script: add('graphiql', 'js', `${beforeBundle};${bundle.js};${afterBundle}`),
    style: add('graphiql', 'css', bundle.css),
    workers: {
      editorWorkerService: add('editor-worker', 'js', bundle.editorWorkerService),
      graphql: add('graphql-worker', 'js', bundle.graphqlWorker),
      json: add('json-worker', 'js', bundle.jsonWorker),
    },
  }
  return { byPath, urls }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/'
}

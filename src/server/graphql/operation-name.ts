import type { Plugin } from './plugin.ts'

/** Some clients send `operationName: ""` with a document that has one operation: it names none. */
export function withoutEmptyName<Params extends { operationName?: string | null | undefined }>(params: Params): Params {
  if (params.operationName !== '') return params
  const { operationName: _empty, ...rest } = params
  return rest as Params
}

/** The same over HTTP. */
export const takesEmptyNameForNone: Plugin = {
  onParams({ params, setParams }) {
    if (params?.operationName === '') setParams(withoutEmptyName(params))
  },
}

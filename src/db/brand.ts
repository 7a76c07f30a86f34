declare const brand: unique symbol

/**
 * A value that is more than its type says: the compiler takes no other string for a `Brand<string, 'AccountId'>`. It is a
 * plain value at run time.
 */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name }

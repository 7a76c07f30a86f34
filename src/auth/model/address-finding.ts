/** A user whose stored address is not in its canonical form: nobody can sign in with it, or look it up. */
export interface AddressFinding {
  userId: string
  /** The form that it should have; null: it is no address at all. */
  canonical: string | null
  /** Other users whose address has the same canonical form. */
  sharedWith: string[]
}

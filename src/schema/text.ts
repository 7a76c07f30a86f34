import { z } from 'zod'
import { canonicalEmail } from '../auth/model/email.ts'

/*
 * The rules for text. Each looks at the raw length first, so that nothing reads a text that is too long, and never changes
 * one character into another. A text that breaks a rule is refused by the name of its field.
 */

/** UTF-16 units of one character, at most. */
const UNITS_MAX = 2
const CONTROL_CHARACTER = /\p{Cc}/u

interface TextRules {
  charactersMin: number
  charactersMax: number
  isTrimmed: boolean
  mayHaveControls: boolean
}

function textRule({ charactersMin, charactersMax, isTrimmed, mayHaveControls }: TextRules) {
  return z.string().transform((raw, context) => {
    const refuse = (message: string) => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    const tooLong = `must have at most ${charactersMax} characters`
    if (raw.length > UNITS_MAX * charactersMax) return refuse(tooLong)
    if (!raw.isWellFormed()) return refuse('must be well-formed Unicode: it contains half of a surrogate pair')
    const text = isTrimmed ? raw.trim() : raw
    if (!mayHaveControls && CONTROL_CHARACTER.test(text)) return refuse('must not contain control characters')
    const characters = [...text].length
    if (characters > charactersMax) return refuse(tooLong)
    if (characters >= charactersMin) return text
    return refuse(charactersMin === 1 ? 'must not be empty' : `must have at least ${charactersMin} characters`)
  })
}

/** A text that is kept as it is, lines included. PostgreSQL cannot keep NUL. */
export const spokenText = (charactersMax: number) =>
  textRule({ charactersMin: 1, charactersMax, isTrimmed: false, mayHaveControls: true }).refine(
    (text) => !text.includes('\0'),
    'must not contain the character NUL',
  )

/** A text that is kept and shown: trimmed, not empty, without control characters. */
export const keptText = (charactersMax: number) =>
  textRule({ charactersMin: 1, charactersMax, isTrimmed: true, mayHaveControls: false })

export const PASSWORD_CHARACTERS_MIN = 8
export const PASSWORD_CHARACTERS_MAX = 256

/** A password to be set. It is not trimmed: spaces around it are part of it. */
export const newPassword = textRule({
  charactersMin: PASSWORD_CHARACTERS_MIN,
  charactersMax: PASSWORD_CHARACTERS_MAX,
  isTrimmed: false,
  mayHaveControls: false,
})

/** A password to be compared. One that could not be set any more is wrong, or was set before these rules. */
export const shownPassword = textRule({
  charactersMin: 0,
  charactersMax: PASSWORD_CHARACTERS_MAX,
  isTrimmed: false,
  mayHaveControls: true,
})

/** An e-mail address in any spelling; gives its canonical form. */
export const email = z.string().transform((text, context) => {
  const canonical = canonicalEmail(text)
  if (canonical !== undefined) return canonical
  context.addIssue({ code: 'custom', message: 'is not an e-mail address' })
  return z.NEVER
})

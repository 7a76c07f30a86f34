type Release = () => unknown

/** What was opened and has to be released, in the order in which it was opened. */
export class Releasers {
  #releasers: Release[] = []

  add(release: Release): void {
    this.#releasers.push(release)
  }

  /**
   * Releases everything, the last thing opened first, and waits for each. A step that fails does not keep the others from
   * being released. Calling it again does nothing.
   *
   * @throws the first error.
   */
  async release(): Promise<void> {
    const releasers = this.#releasers.reverse()
    this.#releasers = []
    const errors: unknown[] = []
    for (const release of releasers) {
      try {
        await release()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/**
 * Opens something in steps. When a step fails, what the steps before it opened is released.
 *
 * @param open adds a releaser for each thing that it opens.
 * @throws what `open` throws.
 */
export async function opening<Opened>(open: (releasers: Releasers) => Promise<Opened>): Promise<Opened> {
  const releasers = new Releasers()
  try {
    return await open(releasers)
  } catch (error) {
    // The error of the start is the one to report.
    await releasers.release().catch(() => {})
    throw error
  }
}

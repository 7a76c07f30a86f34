type Release = () => unknown

/** Releases whatever was opened, in reverse order. */
export class Releasers {
  #releasers: Release[] = []

  add(release: Release): void {
    this.#releasers.push(release)
  }

  /**
   * Releases everything, one after another. If one fails, the others are released all the same. A second call does nothing.
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
 * Opens something in steps. If a step fails, everything that was opened before is released.
 *
 * @param open adds a releaser for each thing that it opens.
 * @throws what `open` throws.
 */
export async function opening<Opened>(open: (releasers: Releasers) => Promise<Opened>): Promise<Opened> {
  const releasers = new Releasers()
  try {
    return await open(releasers)
  } catch (error) {
    // The first error is the one to report.
    await releasers.release().catch(() => {})
    throw error
  }
}

/**
 * The one rule by which submitters share a bounded space: each may hold as much as is still free. One alone gets half of
 * the space, two a third each, and so on. So there is always space for one more, and only those who hold much are refused.
 *
 * @param held what this submitter holds already.
 * @param taken what all submitters hold.
 */
export function isFairShare(held: number, count: number, taken: number, spaceMax: number): boolean {
  return held + count <= spaceMax - taken
}

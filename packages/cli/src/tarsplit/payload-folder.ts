export const payloadFolder = async (p: string): Promise<never> => {
  throw new Error(p)
}

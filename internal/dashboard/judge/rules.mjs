export async function rules() { return []; }
